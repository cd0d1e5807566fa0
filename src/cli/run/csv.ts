/**
 * The fields of one line of comma-separated values; a field in double quotes may hold commas.
 * @throws Error in the words of Go's encoding/csv.
 */
export function csvFields(line: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (line[at] === '"') {
      let value = '';
      let end = at + 1;
      for (;;) {
        const quote = line.indexOf('"', end);
        if (quote < 0)
          throw new Error(
            `parse error on line 1, column ${line.length + 1}: extraneous or missing " in quoted-field`,
          );
        value += line.slice(end, quote);
        end = quote + 1;
        if (line[end] !== '"') break;
        value += '"';
        end++;
      }
      if (end < line.length && line[end] !== ',') {
        throw new Error(`parse error on line 1, column ${end + 1}: extraneous or missing " in quoted-field`);
      }
      fields.push(value);
      at = end;
    } else {
      const comma = line.indexOf(',', at);
      const value = comma < 0 ? line.slice(at) : line.slice(at, comma);
      const quote = value.indexOf('"');
      if (quote >= 0)
        throw new Error(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      fields.push(value);
      at += value.length;
    }
    if (at >= line.length) return fields;
    at++;
    if (at === line.length) return [...fields, ''];
  }
}

/** Cuts `key=value`; the value is undefined without an equals sign. */
export function keyValue(field: string): [key: string, value: string | undefined] {
  const equals = field.indexOf('=');
  return equals < 0 ? [field, undefined] : [field.slice(0, equals), field.slice(equals + 1)];
}
