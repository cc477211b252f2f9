"""What Streamlit runs anew for each visitor and each change. Nothing imports it."""

from chatreel.dashboards import app, launch

app.main(launch.current())
