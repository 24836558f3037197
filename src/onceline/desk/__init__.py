"""The door for people: sign-up, dashboard, public pages. Django over WSGI, on core's commands."""
