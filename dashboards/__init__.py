"""The dashboard: pages on a published file, in a browser, by choice. The only package that knows Streamlit.

    launch    the web server on loopback, and beside it the export that keeps the file fresh
    ports     whether a port can be had
    app       what runs for each visitor: navigation, filters, the page
    source    the file and the store that the pages are about; answers are remembered until the file is replaced
    controls  period and filters, in the sidebar and in the address
    views     one function for each page
    call      one call, opened: read from the store, told as a conversation, in time, against its nearest recording
    arrival   the first page that a visitor sees: figures, then charts
    parts     cards, tables, figures, empty states: what pages are put together from
    charts    what is drawn, as specifications of Vega-Lite; forecast: the month; vega: units, axes and tooltips
    wording   amounts, times and parts as a person reads them
    periods   spans of time, and the points on them that nothing happened at

Pages ask `chatreel.analytics.queries`; they hold no SQL. What models and users wrote is shown as plain text: as
Markdown it could load pictures from elsewhere.
"""
