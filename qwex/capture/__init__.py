"""What a cell or a function needs: its names, its values, its source; packed to travel."""
