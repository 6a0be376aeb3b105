"""The papers' studies as commands that go on where they were stopped, and the tool that augments a cohort."""
