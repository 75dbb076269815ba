"""A CSV object in S3 as a stream of Arrow batches, with the types that the benchmark's table has."""

import os

import pyarrow as pa
import pyarrow.csv
import pyarrow.fs

# Without it Arrow asks for a MB at a time; of 1, 4 and 16 MB this was the fastest.
_READ_AHEAD = 4 << 20


def read_batches(place: str, precision: str) -> pa.RecordBatchReader:
    """Return the object's batches.

    Args:
        place: bucket/key; the service and the key to it are in AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, ….
        precision: of timestamps, "ms" or "us".
    """
    kinds = {
        "id": pa.int64(),
        "taken_on": pa.date32(),
        "math": pa.int32(),
        "reading": pa.int32(),
        "writing": pa.int32(),
        "percentage": pa.decimal128(5, 2),
        "recorded_at": pa.timestamp(precision),
    }
    s3 = pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL_S3"], region=os.environ["AWS_REGION"])
    options = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    body = s3.open_input_stream(place, buffer_size=_READ_AHEAD)
    return pyarrow.csv.open_csv(body, parse_options=parsing, convert_options=options)
