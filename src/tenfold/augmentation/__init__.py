"""What is done to a training batch."""
