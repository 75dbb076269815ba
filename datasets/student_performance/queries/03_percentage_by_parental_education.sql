-- title: Final percentage by the parents' education
-- question: How far do results follow the parents' education?
-- chart: bar x=parental_education y=average
-- unit: percent
SELECT parental_education, AVG(final_percentage) AS average, COUNT(final_percentage) AS results
FROM {table}
WHERE parental_education IS NOT NULL
GROUP BY parental_education
ORDER BY average
