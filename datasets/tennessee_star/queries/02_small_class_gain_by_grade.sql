-- title: Gain of small over regular classes, by grade
-- question: Does the gain last through the grades?
-- chart: bar x=grade y=reading_gain,math_gain
-- unit: points
SELECT grade,
       AVG(CASE WHEN class_type = 'small' THEN CAST(reading_score AS double) END)
         - AVG(CASE WHEN class_type = 'regular' THEN CAST(reading_score AS double) END) AS reading_gain,
       AVG(CASE WHEN class_type = 'small' THEN CAST(math_score AS double) END)
         - AVG(CASE WHEN class_type = 'regular' THEN CAST(math_score AS double) END) AS math_gain
FROM {table}
GROUP BY grade
ORDER BY CASE grade WHEN 'k' THEN 0 ELSE CAST(grade AS integer) END
