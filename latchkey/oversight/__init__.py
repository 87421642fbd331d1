"""The operator's side: every act on users, apps and tokens once, for `/admin` and the command line."""
