# Each target stands without make: run its lines as they are, from this directory.

.PHONY: demo demo-storm test bench clean env

demo: env
	@.venv/bin/python -m demo

demo-storm: env
	@.venv/bin/python -m demo.storm

test: env
	@.venv/bin/python tools/test.py

bench: env
	@python3 tools/env.py --redis
	@.venv/bin/python -m bench

# Makes .venv, or makes it anew when setup.cfg or pyproject.toml has changed.
env:
	@command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	@python3 tools/env.py

clean:
	@python3 tools/clean.py
