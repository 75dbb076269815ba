"""What the fork server of kernels has done before it forks one: imports, parsed descriptions, a first drawing.

Loaded by workbench/kernel_server.py by its path, under a name of its own: no module of this project may be imported
there, since a kernel is to import them as they are when it starts.
"""

import importlib
import io
import os
import sys
from typing import Any, ClassVar

PRELOADED = (
    "ipykernel.kernelapp ipykernel.ipkernel ipykernel.zmqshell IPython comm numpy pandas pyarrow pyarrow.parquet "
    "matplotlib.pyplot sqlalchemy sqlalchemy.dialects.postgresql psycopg2 boto3 botocore.signers "
    "awswrangler yaml rich.progress duckdb psycopg2.extras"
).split()
SERVICES = ("s3", "glue", "athena")


def import_all() -> None:
    """Import what notebooks import, and do once what is slow at the first time."""
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # 0.2 s a kernel, for a debugger that no run attaches
    for name in PRELOADED:
        importlib.import_module(name)
    importlib.import_module("matplotlib").use("agg")
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ |= nothing  # whatever these hold; a kernel's environment comes with its request
    rehearse()
    keep_descriptions()  # behind it, since a client writes into the descriptions that it was made by
    plot = importlib.import_module("matplotlib.pyplot")
    plot.subplots()[0].savefig(io.BytesIO(), format="png", bbox_inches="tight")
    plot.close("all")


def rehearse() -> None:
    """Draw, show a table, make clients that ask nobody: fonts, formatters and signers are found at the first use."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    figure = Figure(figsize=(7, 3))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.bar_label(axes.barh(range(8), range(8), label="x"), labels=list("abcdefgh"))
    axes.set_yticks(range(8), list("abcdefgh"))
    axes.set_title("x")
    axes.grid(axis="x")
    axes.legend()
    figure.savefig(io.BytesIO(), format="rgba", bbox_inches=Bbox([[0, 0], [7, 3]]))
    frame = importlib.import_module("pandas").DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.groupby("b").a.mean()
    frame.to_html()
    repr(frame)
    session: Any = importlib.import_module("boto3").Session("none", "none", region_name="us-east-1")
    clients = [session.client(service, endpoint_url="http://127.0.0.1:9") for service in SERVICES]
    clients[0].generate_presigned_url("get_object", Params={"Bucket": "none", "Key": "none"})


def keep_descriptions() -> None:
    """Have botocore keep what it lists and parses of its own files, which say what a service can do: 0.1 s a kernel."""
    from botocore import loaders

    class KeptFiles(loaders.JSONFileLoader):
        kept: ClassVar[dict[str, Any]] = {}
        there: ClassVar[set[str]] = set()

        def exists(self, file_path: str) -> bool:
            if file_path not in self.there and super().exists(file_path):
                self.there.add(file_path)
            return file_path in self.there

        def load_file(self, file_path: str) -> Any:
            if file_path not in self.kept and (found := super().load_file(file_path)) is not None:
                self.kept[file_path] = found
            return self.kept.get(file_path)

    loaders.Loader.FILE_LOADER_CLASS = KeptFiles
    _keep_listing(loaders.Loader)
    loader = loaders.Loader()
    for name in ("partitions", "endpoints", "sdk-default-configuration", "_retry"):
        loader.load_data(name)
    for service in SERVICES:
        for kind in ("service-2", "endpoint-rule-set-1"):
            loader.load_service_model(service, kind)


def _keep_listing(loader: Any) -> None:
    """Have a loader of botocore's list the services of its folders once a process, not once a session."""
    listed: dict[tuple[str, ...], list[str]] = {}
    look = loader.list_available_services

    def list_available_services(self: Any, type_name: str) -> list[str]:
        place = (type_name, *self.search_paths)
        if place not in listed:
            listed[place] = look(self, type_name)
        return list(listed[place])

    loader.list_available_services = list_available_services
