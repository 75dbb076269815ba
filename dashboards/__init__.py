"""Dashboards as code: from a contract and a description to the assets that Superset imports.

    description.py   dashboard.yaml of a dataset, read and checked
    automatic.py     the description of a dataset that has none, from its contract
    columns.py       labels, ordered categories, bands and metrics of a dataset
    charts.py        one chart's parameters, by its kind
    quality.py       the data-quality tab, the same for every dataset
    layout.py        tabs, rows, filters and colours
    assets.py        the YAML files of one dataset, under assets/
    server/          what runs inside Superset's own virtualenv, and imports nothing of ours

Of ours this package imports `helpers.contract`, `helpers.errors` and `helpers.run_history` alone.
"""
