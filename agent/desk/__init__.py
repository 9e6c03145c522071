"""What a face that stays open needs: looks, checks and plans in processes of their own, and runs that outlive it."""
