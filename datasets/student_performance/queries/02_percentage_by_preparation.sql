-- title: Final percentage with and without the preparation course
-- question: Does the preparation course pay, and is the gain the same for pupils with a reduced lunch?
-- chart: bar x=group y=average
-- unit: percent
SELECT COALESCE(test_preparation, 'unknown') || ', ' || COALESCE(lunch, 'unknown') AS "group",
       AVG(final_percentage) AS average, COUNT(*) AS pupils
FROM {table}
GROUP BY 1
ORDER BY average DESC
