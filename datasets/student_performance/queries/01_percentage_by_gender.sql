-- title: Average final percentage by gender
-- question: Do girls and boys reach different results?
-- chart: bar x=gender y=average_percentage
-- unit: percent
SELECT gender, AVG(final_percentage) AS average_percentage FROM {table} GROUP BY gender
