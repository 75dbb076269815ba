-- title: Pupils without a score, by grade
-- question: How many results are missing, and does it grow?
-- chart: bar x=grade y=without_reading,without_math
-- unit: pupils
SELECT grade, COUNT(*) - COUNT(reading_score) AS without_reading, COUNT(*) - COUNT(math_score) AS without_math,
       COUNT(*) AS pupils
FROM {table}
GROUP BY grade
ORDER BY grade
