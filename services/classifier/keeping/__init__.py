"""What the keeper looks after: that nothing is lost, and that nothing is kept too long. keeper.py is the process."""
