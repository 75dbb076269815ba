-- title: Average scores by class type and gender
-- question: Do small classes help, and do they help girls and boys alike?
-- chart: bar x=group y=reading,math
-- unit: points
SELECT class_type || ', ' || gender AS "group", AVG(CAST(reading_score AS double)) AS reading,
       AVG(CAST(math_score AS double)) AS math, COUNT(*) AS pupils
FROM {table}
WHERE gender IS NOT NULL
GROUP BY class_type || ', ' || gender
ORDER BY "group"
