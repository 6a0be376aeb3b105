"""The papers' studies, which resume where they were stopped, and the tool that augments a cohort."""
