"""The Grafana dashboards, as code: `python -m tallystick_dashboards FOLDER RUNBOOKS`."""
