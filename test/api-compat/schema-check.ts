/** What of Swagger 2's schemas the Engine API's description uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly 'x-nullable'?: boolean;
}

/** Lists where a JSON value differs from a schema: missing members, wrong types, values outside of an enum. */
export class SchemaChecker {
  readonly #definitions: Readonly<Record<string, Schema>>;

  constructor(definitions: Readonly<Record<string, Schema>>) {
    this.#definitions = definitions;
  }

  check(value: unknown, schema: Schema, where = '$'): string[] {
    if (schema.$ref !== undefined) {
      const name = schema.$ref.replace('#/definitions/', '');
      const target = this.#definitions[name];
      return target === undefined ? [`${where}: no definition ${name}`] : this.check(value, target, where);
    }
    const faults = (schema.allOf ?? []).flatMap((part) => this.check(value, part, where));
    // Go writes null for empty lists, maps and pointers; clients are used to it.
    if (value === null) return faults;
    const text = JSON.stringify(value);
    if (schema.enum !== undefined && !schema.enum.some((allowed) => JSON.stringify(allowed) === text)) {
      faults.push(`${where}: ${text} is none of ${JSON.stringify(schema.enum)}`);
    }
    return [...faults, ...this.#checkType(value, schema, where)];
  }

  #checkType(value: unknown, schema: Schema, where: string): string[] {
    switch (schema.type) {
      case 'string':
        return typeof value === 'string' ? [] : [`${where}: expected a string`];
      case 'boolean':
        return typeof value === 'boolean' ? [] : [`${where}: expected a boolean`];
      case 'integer':
        return Number.isInteger(value) ? [] : [`${where}: expected an integer`];
      case 'number':
        return typeof value === 'number' ? [] : [`${where}: expected a number`];
      case 'array':
        if (!Array.isArray(value)) return [`${where}: expected a list`];
        return value.flatMap((item, index) => this.check(item, schema.items ?? {}, `${where}[${index}]`));
      case 'object':
        return this.#checkObject(value, schema, where);
      default:
        return [];
    }
  }

  #checkObject(value: unknown, schema: Schema, where: string): string[] {
    if (typeof value !== 'object' || Array.isArray(value) || value === null) {
      return [`${where}: expected an object`];
    }
    const members = value as Record<string, unknown>;
    const faults = (schema.required ?? [])
      .filter((name) => !(name in members))
      .map((name) => `${where}.${name}: missing`);
    for (const [name, item] of Object.entries(members)) {
      const known = schema.properties?.[name];
      const other = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
      const member = known ?? other;
      if (member !== undefined) faults.push(...this.check(item, member, `${where}.${name}`));
    }
    return faults;
  }
}
