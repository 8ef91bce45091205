-- A first version of departments, written by flexcore-gen for pipeline
-- directory-to-everything. It is yours: change it as you like, generate leaves it alone.
select *
from {{ source('directory', 'users') }}

-- also landed by this pipeline: groups of source directory

-- also landed by this pipeline: organizational_units of source directory

-- also landed by this pipeline: memberships of source directory

-- also landed by this pipeline: schema of source directory
