"""What is served beside the admin: the board for displays, and the data of its matrix."""
