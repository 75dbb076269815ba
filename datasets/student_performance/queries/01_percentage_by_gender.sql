-- title: Average final percentage by gender
-- question: Do girls and boys reach different results?
-- chart: bar x=gender y=_col1
-- unit: percent
SELECT gender, AVG(final_percentage) FROM {table} GROUP BY gender
