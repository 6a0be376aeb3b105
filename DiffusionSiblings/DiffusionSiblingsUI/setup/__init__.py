"""What the module needs: packages, their installation, models and devices."""
