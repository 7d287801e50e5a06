"""How gunicorn serves the example: it reads this file by itself."""

import os

wsgi_app = "app:create_app()"
bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = 4
worker_class = "gthread"
threads = 8
# Longer than a refresh may take: timeout (5 s), answer_timeout (20 s) and one second more.
timeout = 30
# Newer gunicorns make a socket in the home directory unless told not to; older ones do not know the word.
control_socket_disable = True
