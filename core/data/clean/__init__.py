"""What is done to a row before it is trained on, where the recipe asks for it."""
