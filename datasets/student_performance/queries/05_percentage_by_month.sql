-- title: Final percentage over the year
-- question: Do results rise through the year, up to the logical date of this run?
-- chart: line x=exam_month y=average
-- unit: percent
SELECT exam_month, AVG(final_percentage) AS average, COUNT(*) AS examinations
FROM {table}
WHERE exam_date <= CAST(:as_of AS date)
GROUP BY exam_month
ORDER BY exam_month
