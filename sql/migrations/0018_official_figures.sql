-- Official figures: of each closed period what was published when it was closed; and the bridge from there to the current
-- ones, by what caused each correction. Nothing is copied: marts and history together know what was published when.
CREATE FUNCTION history.define_official(
    mart regclass, past regclass, owner text[], official text, bridge text
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $make$
DECLARE
    rows_of text := $$ %1$s d JOIN marts.closed_period c
        ON c.tenant_id = d.tenant_id AND d.as_of_date > c.after_date AND d.as_of_date <= c.through_date$$;
    columns text;
    owners text := (SELECT string_agg(format('d.%I', name), ', ' ORDER BY n) FROM unnest(owner) WITH ORDINALITY o(name, n));
    partition text := (SELECT string_agg(format('v.%I', name), ', ' ORDER BY n) FROM unnest(owner) WITH ORDINALITY o(name, n));
    same_owner text := (SELECT string_agg(format('r.%I = v.%I', name, name), ' AND ') FROM unnest(owner) name);
    money text[] := ARRAY['end_market_value', 'net_flow', 'fees', 'gain_loss'];
    returns text[] := ARRAY['twrr_daily', 'twrr_mtd', 'twrr_qtd', 'twrr_ytd', 'twrr_itd'];
    figures text[];
    raw text;
    whole text;
    lags text;
    arrival text;
    removal text;
    names text;
    one record;
BEGIN
    SELECT string_agg(format('d.%I', attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = mart AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'CREATE VIEW marts.%I WITH (security_invoker) AS SELECT %s, c.closed_at FROM %s WHERE d.published_at <= c.closed_at'
        ' UNION ALL SELECT %s, c.closed_at FROM %s WHERE d.known_from <= c.closed_at AND d.known_to > c.closed_at',
        official, columns, format(rows_of, mart), columns, format(rows_of, past));

    -- Money as it is, returns in basis points.
    figures := money || (SELECT array_agg(name || '_bp' ORDER BY n) FROM unnest(returns) WITH ORDINALITY o(name, n));
    raw := (SELECT string_agg(format('d.%I', name), ', ' ORDER BY n) FROM unnest(money) WITH ORDINALITY o(name, n))
        || ', ' || (SELECT string_agg(format('10000 * d.%I AS %I', name, name || '_bp'), ', ' ORDER BY n)
                    FROM unnest(returns) WITH ORDINALITY o(name, n));
    SELECT string_agg(format('v.%I', name), ', ' ORDER BY n),
           string_agg(format('lag(v.%I) OVER w AS %I', name, 'before_' || name), ', ' ORDER BY n),
           string_agg(format('coalesce(v.%I, 0) - CASE WHEN v.before_to = v.known_from THEN coalesce(v.%I, 0) ELSE 0 END',
                             name, 'before_' || name), ', ' ORDER BY n),
           string_agg(format('- coalesce(v.%I, 0)', name), ', ' ORDER BY n),
           string_agg(format('i.%I', name), ', ' ORDER BY n)
    INTO whole, lags, arrival, removal, names
    FROM unnest(figures) WITH ORDINALITY o(name, n);
    EXECUTE format($view$
        CREATE VIEW marts.%1$I WITH (security_invoker) AS
        SELECT %2$s, v.as_of_date, v.currency, v.closed_at, i.item, i.known_at, i.epoch,
               r.restatement_id,
               CASE WHEN i.item = 'correction' THEN coalesce(r.cause_kind, 'late') END AS cause_kind,
               CASE WHEN i.item = 'correction'
                    THEN coalesce(r.cause, 'first published after the closing, by run ' || v.run_id) END AS cause,
               r.file_id, r.path, r.line_no, r.vendor, r.feed, %3$s
        FROM (
            SELECT v.*, lag(v.known_to) OVER w AS before_to, lead(v.known_from) OVER w AS next_from, %4$s
            FROM (
                SELECT %5$s, d.as_of_date, d.currency, d.epoch, d.run_id, c.closed_at, d.published_at AS known_from,
                       timestamptz 'infinity' AS known_to, %6$s FROM %7$s
                UNION ALL
                SELECT %5$s, d.as_of_date, d.currency, d.epoch, d.run_id, c.closed_at, d.known_from, d.known_to, %6$s
                FROM %8$s WHERE d.known_to > c.closed_at
            ) v
            WINDOW w AS (PARTITION BY %2$s, v.as_of_date ORDER BY v.known_from)
        ) v
        CROSS JOIN LATERAL (
            SELECT 'official', v.closed_at, v.epoch, NULL::integer, %9$s WHERE v.known_from <= v.closed_at
            UNION ALL
            SELECT 'correction', v.known_from, v.epoch, v.epoch, %10$s WHERE v.known_from > v.closed_at
            UNION ALL
            SELECT 'correction', v.known_to, NULL, NULL, %11$s
            WHERE v.known_to <> 'infinity' AND v.next_from IS DISTINCT FROM v.known_to
            UNION ALL
            SELECT 'current', v.known_from, v.epoch, NULL, %9$s WHERE v.known_to = 'infinity'
        ) i (item, known_at, epoch, arrived, %12$s)
        LEFT JOIN LATERAL (
            SELECT r.* FROM marts.restatement r
            WHERE %13$s AND r.state = 'published' AND r.published_at > v.closed_at AND i.item = 'correction'
            AND v.as_of_date BETWEEN r.from_date AND r.last_date
            AND CASE WHEN i.arrived IS NULL THEN r.epoch > v.epoch ELSE r.epoch = i.arrived END
            ORDER BY r.epoch LIMIT 1
        ) r ON true
        WHERE i.item <> 'correction' OR ROW(%14$s) IS DISTINCT FROM ROW(%15$s)
        $view$,
        bridge, partition, names, lags, owners, raw, format(rows_of, mart), format(rows_of, past),
        whole, arrival, removal, (SELECT string_agg(quote_ident(name), ', ' ORDER BY n)
                                  FROM unnest(figures) WITH ORDINALITY o(name, n)),
        same_owner, names, array_to_string(array_fill('0'::text, ARRAY[cardinality(figures)]), ', '));
    EXECUTE format('GRANT SELECT ON marts.%I, marts.%I TO dietz_analyst', official, bridge);

    FOR one IN SELECT attname, format('marts.%I', official) AS view FROM pg_attribute
        WHERE attrelid = format('marts.%I', official)::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.view, one.attname, CASE one.attname
            WHEN 'closed_at' THEN 'When the period that the date belongs to was closed.'
            ELSE format('As in %s, as published when the period was closed.', mart) END);
    END LOOP;
    FOR one IN SELECT attname, format('marts.%I', bridge) AS view FROM pg_attribute
        WHERE attrelid = format('marts.%I', bridge)::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.view, one.attname, CASE
            WHEN one.attname = 'item' THEN
                'official, then corrections, then current: the first and the corrections add up to the last.'
            WHEN one.attname = 'closed_at' THEN 'When the period that the date belongs to was closed.'
            WHEN one.attname = 'known_at' THEN 'Since when the figures count: the closing, or a publication.'
            WHEN one.attname = 'epoch' THEN 'Version of the history; NULL where a correction takes a row away.'
            WHEN one.attname = 'cause_kind' THEN
                'Of a correction: as in marts.restatement; late for a row that was first published after the closing.'
            WHEN one.attname IN ('restatement_id', 'cause', 'file_id', 'path', 'line_no', 'vendor', 'feed') THEN
                'Of a correction: as in marts.restatement.'
            WHEN one.attname = ANY (figures) AND one.attname LIKE '%\_bp' THEN
                format('%s in basis points; of a correction its change.', left(one.attname, -3))
            WHEN one.attname = ANY (figures) THEN 'Amount in currency; of a correction its change.'
            ELSE format('As in %s.', mart) END);
    END LOOP;
END
$make$;
COMMENT ON FUNCTION history.define_official(regclass, regclass, text[], text, text) IS
    'Makes the views of official figures and of their bridge to the current ones, of a mart and its history.';
REVOKE ALL ON FUNCTION history.define_official(regclass, regclass, text[], text, text) FROM PUBLIC;

SELECT history.define_official(
    'marts.account_performance_daily', 'history.account_performance_daily', ARRAY['tenant_id', 'account_id'],
    'official_performance_daily', 'official_bridge');
SELECT history.define_official(
    'marts.group_performance_daily', 'history.group_performance_daily', ARRAY['tenant_id', 'group_type', 'group_id'],
    'official_group_performance_daily', 'official_group_bridge');
COMMENT ON VIEW marts.official_performance_daily IS
    'The daily rows of closed periods as they were published when the period was closed; late corrections never change them.';
COMMENT ON VIEW marts.official_group_performance_daily IS
    'The groups'' daily rows of closed periods as they were published when the period was closed.';
COMMENT ON VIEW marts.official_bridge IS
    'For each account and date of a closed period: the official figures, each correction since with its cause, and the'
    ' current figures. Official and corrections add up to current, money exactly, NULL and no row counting as 0.';
COMMENT ON VIEW marts.official_group_bridge IS
    'For each group and date of a closed period: the official figures, each correction since with its cause, and the'
    ' current figures. Official and corrections add up to current, money exactly, NULL and no row counting as 0.';

-- Periods and risk keep no history, so their figures are copied when a period is closed: each owner's month-ends, and its
-- last row, of the dates that were closed. A period that was opened again keeps its copy and is no longer shown.
CREATE FUNCTION history.define_closed(mart regclass, kept text, official text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $make$
DECLARE
    columns text;
    one record;
BEGIN
    SELECT string_agg(format('k.%I', attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = mart AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('CREATE TABLE history.%1$I (LIKE %2$s, closing_no bigint NOT NULL)', kept, mart);
    EXECUTE format('CREATE INDEX ON history.%1$I (tenant_id, closing_no)', kept);
    PERFORM security.protect(format('history.%I', kept)::regclass);
    EXECUTE format(
        'CREATE VIEW marts.%I WITH (security_invoker) AS SELECT %s, c.closed_at FROM history.%I k'
        ' JOIN marts.closed_period c ON c.tenant_id = k.tenant_id AND c.closing_no = k.closing_no',
        official, columns, kept);
    EXECUTE format('GRANT SELECT ON history.%I, marts.%I TO dietz_analyst', kept, official);
    EXECUTE format('COMMENT ON TABLE history.%I IS %L', kept,
        format('Rows of %s as they were when the period of their date was closed.', mart));
    EXECUTE format('COMMENT ON VIEW marts.%I IS %L', official,
        format('The rows of %s of closed periods as they were published when the period was closed.', mart));
    FOR one IN SELECT a.attname, a.attrelid::regclass AS relation FROM pg_attribute a
        WHERE a.attrelid IN (format('marts.%I', official)::regclass, format('history.%I', kept)::regclass)
        AND a.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.relation, one.attname, CASE one.attname
            WHEN 'closed_at' THEN 'When the period that the date belongs to was closed.'
            WHEN 'closing_no' THEN 'The closing, as in marts.period_closing.'
            ELSE format('As in %s, as published when the period was closed.', mart) END);
    END LOOP;
END
$make$;
COMMENT ON FUNCTION history.define_closed(regclass, text, text) IS
    'Makes the table that keeps a mart''s rows when a period is closed, and the view of those that are official.';
REVOKE ALL ON FUNCTION history.define_closed(regclass, text, text) FROM PUBLIC;

SELECT history.define_closed(
    'marts.account_performance_period', 'closed_account_performance_period', 'official_performance_period');
SELECT history.define_closed(
    'marts.group_performance_period', 'closed_group_performance_period', 'official_group_performance_period');
SELECT history.define_closed('marts.account_risk', 'closed_account_risk', 'official_risk');

CREATE FUNCTION history.keep_closed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    one record;
    columns text;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('marts.account_performance_period'::regclass, 'history.closed_account_performance_period'::regclass),
        ('marts.group_performance_period', 'history.closed_group_performance_period'),
        ('marts.account_risk', 'history.closed_account_risk')) AS kept (mart, past)
    LOOP
        -- By name: a column that was added to a mart only since is not kept.
        SELECT string_agg(quote_ident(m.attname), ', ') INTO columns FROM pg_attribute m
        JOIN pg_attribute k ON k.attrelid = one.past AND k.attname = m.attname
        WHERE m.attrelid = one.mart AND m.attnum > 0 AND NOT m.attisdropped AND NOT k.attisdropped;
        EXECUTE format(
            'INSERT INTO %1$s (closing_no, %2$s) SELECT c.closing_no, %3$s FROM %4$s d JOIN marts.closed_period c'
            ' ON c.tenant_id = d.tenant_id AND d.as_of_date > c.after_date AND d.as_of_date <= c.through_date'
            ' WHERE c.tenant_id = $1 AND c.closing_no = $2',
            one.past, columns, 'd.' || replace(columns, ', ', ', d.'), one.mart) USING NEW.tenant_id, NEW.closing_no;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION history.keep_closed() IS 'Trigger: keeps the period and risk figures of a period that is closed.';
REVOKE ALL ON FUNCTION history.keep_closed() FROM PUBLIC;
CREATE TRIGGER keep_figures AFTER INSERT ON marts.period_closing FOR EACH ROW WHEN (NEW.event = 'close')
    EXECUTE FUNCTION history.keep_closed();
