"""JSON and what fits no other room."""

SIGNATURES = """
json_parse(varchar) -> json = trino_json_parse({0})
json_format(json) -> varchar = {0}
json_extract(varchar, varchar) -> json = trino_json_extract({0}, {1})
json_extract(json, varchar) -> json = trino_json_extract({0}, {1})
json_extract_scalar(varchar(x), varchar) -> varchar(x) = trino_json_extract_scalar({0}, {1})
json_extract_scalar(json, varchar) -> varchar = trino_json_extract_scalar({0}, {1})
json_array_length(varchar) -> bigint = trino_json_array_length({0})
json_array_length(json) -> bigint = trino_json_array_length({0})
json_array_contains(varchar, boolean) -> boolean = trino_json_array_contains({0}, CAST({1} AS VARCHAR), 'boolean')
json_array_contains(json, boolean) -> boolean = trino_json_array_contains({0}, CAST({1} AS VARCHAR), 'boolean')
json_array_contains(varchar, bigint) -> boolean = trino_json_array_contains({0}, CAST({1} AS VARCHAR), 'number')
json_array_contains(json, bigint) -> boolean = trino_json_array_contains({0}, CAST({1} AS VARCHAR), 'number')
json_array_contains(varchar, varchar) -> boolean = trino_json_array_contains({0}, {1}, 'string')
json_array_contains(json, varchar) -> boolean = trino_json_array_contains({0}, {1}, 'string')
json_array_get(varchar, bigint) -> json = trino_json_array_get({0}, {1})
json_array_get(json, bigint) -> json = trino_json_array_get({0}, {1})
json_size(varchar, varchar) -> bigint = trino_json_size({0}, {1})
json_size(json, varchar) -> bigint = trino_json_size({0}, {1})
is_json_scalar(varchar) -> boolean = trino_is_json_scalar({0})
is_json_scalar(json) -> boolean = trino_is_json_scalar({0})
json_value(varchar, varchar) -> varchar = trino_sql_json_value({0}, {1})
json_query(varchar, varchar) -> varchar = trino_sql_json_query({0}, {1})
json_exists(varchar, varchar) -> boolean = trino_sql_json_exists({0}, {1})
"""

KNOWN = """json_array json_object classify regress features bing_tile bing_tile_at bing_tile_coordinates
bing_tile_polygon bing_tile_quadkey bing_tile_zoom_level bing_tiles_around geometry_from_hadoop_shape
geometry_invalid_reason geometry_nearest_points geometry_to_bing_tiles geometry_union geometry_union_agg
great_circle_distance line_interpolate_point line_interpolate_points line_locate_point simplify_geometry st_area
st_asbinary st_astext st_boundary st_buffer st_centroid st_contains st_convexhull st_coorddim st_crosses st_difference
st_dimension st_disjoint st_distance st_endpoint st_envelope st_envelopeaspts st_equals st_exteriorring st_geometries
st_geometryfromtext st_geometryn st_geometrytype st_geomfrombinary st_interiorringn st_interiorrings st_intersection
st_intersects st_isclosed st_isempty st_isring st_issimple st_isvalid st_length st_linefromtext st_linestring
st_multipoint st_numgeometries st_numinteriorring st_numpoints st_overlaps st_point st_pointn st_points st_polygon
st_relate st_startpoint st_symdifference st_touches st_union st_within st_x st_xmax st_xmin st_y st_ymax st_ymin
to_geometry to_spherical_geography from_encoded_polyline to_encoded_polyline from_geojson_geometry to_geojson_geometry
current_groups current_user version"""
