"""Dates and times; what depends on a unit or a zone is a special form."""

SIGNATURES = """
date(varchar) -> date = CAST(trino_date_text({0}) AS DATE)
date(date) -> date = {0}
date(timestamp) -> date = CAST({0} AS DATE)
from_iso8601_date(varchar) -> date = trino_iso_date(trino_iso_check({0}))
to_iso8601(date) -> varchar(16) = CAST({0} AS VARCHAR)
to_unixtime(timestamp) -> double = epoch({0})
parse_duration(varchar) -> day_to_second = trino_parse_duration({0})
human_readable_seconds(double) -> varchar = trino_human_seconds({0})
to_milliseconds(day_to_second) -> bigint = CAST(epoch_ms({0}) AS BIGINT)
"""

KNOWN = """from_iso8601_timestamp_nanos from_unixtime_nanos timezone_hour timezone_minute to_char to_date to_timestamp
timezone current_timezone localtime current_time"""
