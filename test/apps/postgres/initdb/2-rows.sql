INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 1000) AS n;
