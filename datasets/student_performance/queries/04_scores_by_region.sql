-- title: Average scores by region
-- question: Which regions lead, and in all three subjects?
-- chart: bar x=region y=math,reading,writing
-- unit: points
SELECT region, AVG(CAST(math_score AS double)) AS math, AVG(CAST(reading_score AS double)) AS reading,
       AVG(CAST(writing_score AS double)) AS writing
FROM {table}
GROUP BY region
ORDER BY region
