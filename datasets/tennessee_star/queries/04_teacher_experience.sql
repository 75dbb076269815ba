-- title: Reading score by the teacher's experience
-- question: Do pupils of experienced teachers read better?
-- chart: line x=years y=reading
-- unit: points
SELECT 5 * (teacher_experience / 5) AS years, AVG(CAST(reading_score AS double)) AS reading, COUNT(*) AS pupils
FROM {table}
WHERE teacher_experience IS NOT NULL
GROUP BY teacher_experience / 5
ORDER BY years
