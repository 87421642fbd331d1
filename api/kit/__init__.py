"""What every resource stands on."""
