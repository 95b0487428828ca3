"""Streets to try a policy on, as files: `meshctl share simulate --list` names them."""
