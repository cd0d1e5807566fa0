import type { TemplateFunction } from './functions.ts';
import { quote } from './literals.ts';
import type { Call, Located, Node, Operand, Pipe, Template } from './nodes.ts';
import { isMap, isTrue, printValue, TypedNil, typeName, type Value } from './values.ts';

/** A template failed on its data; `message` is Go's, beginning with `template: :LINE:COLUMN: `. */
export class TemplateError extends Error {}

/** What a field access on an object without that field gives; throws an Error to refuse it. */
export type MissingField = (object: Record<string, Value>, name: string) => Value;

export interface EvaluateOptions {
  readonly functions: Readonly<Record<string, TemplateFunction>>;
  readonly missingField: MissingField;
  /** Rewrites a field's value as it is read; used to give nulls the type they have in docker. */
  readonly readField?: (value: Value, name: string) => Value;
}

type ControlNode = Extract<Node, { readonly body: readonly Node[] }>;

class BreakLoop extends Error {}
class ContinueLoop extends Error {}

class Evaluator {
  output = '';
  readonly #template: Template;
  readonly #options: EvaluateOptions;
  readonly #variables: Array<{ name: string; value: Value }> = [];

  constructor(template: Template, options: EvaluateOptions, data: Value) {
    this.#template = template;
    this.#options = options;
    this.#variables.push({ name: '$', value: data });
  }

  #fail(at: Located, reason: string): TemplateError {
    const before = this.#template.source.slice(0, at.at);
    const line = before.split('\n').length;
    const column = Buffer.byteLength(before.slice(before.lastIndexOf('\n') + 1));
    const shown = at.source.length > 20 ? `${at.source.slice(0, 20)}...` : at.source;
    return new TemplateError(`template: :${line}:${column}: executing "" at <${shown}>: ${reason}`);
  }

  walk(nodes: readonly Node[], dot: Value): void {
    for (const node of nodes) this.#node(node, dot);
  }

  #node(node: Node, dot: Value): void {
    switch (node.kind) {
      case 'text':
        this.output += node.text;
        return;
      case 'action': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.output += printValue(value);
        return;
      }
      case 'if':
      case 'with': {
        const mark = this.#variables.length;
        const value = this.#pipe(node.pipe, dot);
        if (isTrue(value)) this.walk(node.body, node.kind === 'with' ? value : dot);
        else this.walk(node.otherwise, dot);
        this.#variables.length = mark;
        return;
      }
      case 'range':
        this.#range(node, dot);
        return;
      case 'template': {
        const body = this.#template.named.get(node.name);
        if (body === undefined) throw this.#fail(node.at, `template ${quote(node.name)} not defined`);
        const data = node.pipe === undefined ? undefined : this.#pipe(node.pipe, dot);
        const saved = this.#variables.splice(0, this.#variables.length, { name: '$', value: data });
        this.walk(body, data);
        this.#variables.splice(0, this.#variables.length, ...saved);
        return;
      }
      case 'break':
        throw new BreakLoop();
      case 'continue':
        throw new ContinueLoop();
    }
  }

  #range(node: ControlNode, dot: Value): void {
    const mark = this.#variables.length;
    const value = this.#pipe({ ...node.pipe, variables: [] }, dot);
    const entries = this.#entries(node.pipe, value);
    if (entries.length === 0) this.walk(node.otherwise, dot);
    const [first, second] = node.pipe.variables;
    try {
      for (const [key, element] of entries) {
        if (second !== undefined) {
          this.#bind(first!, key, node.pipe.assigns);
          this.#bind(second, element, node.pipe.assigns);
        } else if (first !== undefined) this.#bind(first, element, node.pipe.assigns);
        try {
          this.walk(node.body, element);
        } catch (error) {
          if (!(error instanceof ContinueLoop)) throw error;
        }
        this.#variables.length = mark;
      }
    } catch (error) {
      if (!(error instanceof BreakLoop)) throw error;
    }
    this.#variables.length = mark;
  }

  #entries(at: Located, value: Value): Array<[Value, Value]> {
    if (value === null || value === undefined || value instanceof TypedNil) return [];
    if (Array.isArray(value)) return value.map((element, index) => [index, element]);
    if (typeof value === 'number' && Number.isInteger(value)) {
      return Array.from({ length: Math.max(0, value) }, (_, index) => [index, index]);
    }
    if (!isMap(value)) throw this.#fail(at, `range can't iterate over ${printValue(value)}`);
    const keys = Object.keys(value).sort();
    return keys.map((key) => [key, value[key]]);
  }

  #bind(name: string, value: Value, assigns: boolean): void {
    if (!assigns) {
      this.#variables.push({ name, value });
      return;
    }
    const variable = this.#variables.findLast((one) => one.name === name);
    if (variable !== undefined) variable.value = value;
  }

  #pipe(pipe: Pipe, dot: Value): Value {
    let value: Value;
    pipe.calls.forEach((call, index) => {
      value = this.#call(call, dot, index === 0 ? [] : [value]);
    });
    for (const name of pipe.variables) this.#bind(name, value, pipe.assigns);
    return value;
  }

  /** `piped` holds the value from the left of a pipe, which becomes the last argument. */
  #call(call: Call, dot: Value, piped: readonly Value[]): Value {
    const [first, ...rest] = call.operands as [Operand, ...Operand[]];
    if (first.kind === 'function') return this.#function(first, call, rest, dot, piped);
    const isField = first.kind === 'field' || first.kind === 'variable' || first.kind === 'chain';
    const hasArguments = rest.length > 0 || piped.length > 0;
    if (!isField) {
      if (hasArguments) throw this.#fail(first, `can't give argument to non-function ${first.source}`);
      if (first.kind === 'nil') throw this.#fail(first, 'nil is not a command');
      return this.#operand(first, dot);
    }
    if (!hasArguments) return this.#operand(first, dot);
    return this.#operand(first, dot, [...rest.map((operand) => this.#operand(operand, dot)), ...piped]);
  }

  #function(
    first: Operand & { kind: 'function' },
    call: Call,
    rest: Operand[],
    dot: Value,
    piped: readonly Value[],
  ): Value {
    if (first.name === 'and' || first.name === 'or') {
      // Both stop at the first argument that decides.
      let value: Value;
      const lazy = [
        ...rest.map((operand) => () => this.#operand(operand, dot)),
        ...piped.map((one) => () => one),
      ];
      if (lazy.length === 0)
        throw this.#fail(first, `wrong number of args for ${first.name}: want at least 1 got 0`);
      for (const evaluate of lazy) {
        value = evaluate();
        if (isTrue(value) === (first.name === 'or')) break;
      }
      return value;
    }
    const body = this.#options.functions[first.name]!;
    const values = [...rest.map((operand) => this.#operand(operand, dot)), ...piped];
    if (values.length < body.length) {
      throw this.#fail(
        first,
        `wrong number of args for ${first.name}: want ${body.length} got ${values.length}`,
      );
    }
    try {
      return body(...values);
    } catch (error) {
      throw this.#fail(call, `error calling ${first.name}: ${(error as Error).message}`);
    }
  }

  #operand(operand: Operand, dot: Value, values?: readonly Value[]): Value {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return null;
      case 'literal':
        return operand.value;
      case 'field':
        return this.#fields(operand, dot, operand.names, values);
      case 'variable': {
        const value = this.#variables.findLast((one) => one.name === operand.name)?.value;
        return this.#fields(operand, value, operand.names, values);
      }
      case 'chain':
        return this.#fields(operand, this.#pipe(operand.pipe, dot), operand.names, values);
      case 'function':
        return this.#function(
          operand,
          { operands: [operand], at: operand.at, source: operand.source },
          [],
          dot,
          [],
        );
    }
  }

  #fields(operand: Operand, start: Value, names: readonly string[], values?: readonly Value[]): Value {
    let value = start;
    names.forEach((name, index) => {
      if (value instanceof TypedNil && value.omitted) {
        throw this.#fail(operand, `map has no entry for key ${quote(names[index - 1] ?? name)}`);
      }
      value = this.#field(operand, value, name, index === names.length - 1 ? values : undefined);
    });
    if (names.length === 0 && values !== undefined) {
      throw this.#fail(operand, `can't give argument to non-function ${operand.source}`);
    }
    return value;
  }

  #field(operand: Operand, object: Value, name: string, values?: readonly Value[]): Value {
    if (object === null || object === undefined || object instanceof TypedNil) {
      throw this.#fail(operand, `nil data; no entry for key ${quote(name)}`);
    }
    if (!isMap(object)) throw this.#fail(operand, `can't evaluate field ${name} in type ${typeName(object)}`);
    if (!(name in object) || (!Object.hasOwn(object, name) && name in Object.prototype)) {
      try {
        return this.#options.missingField(object, name);
      } catch (error) {
        throw this.#fail(operand, (error as Error).message);
      }
    }
    const value = object[name];
    if (typeof value === 'function') return value(...(values ?? []));
    if (values !== undefined) throw this.#fail(operand, `${name} is not a method but has arguments`);
    return this.#options.readField === undefined ? value : this.#options.readField(value, name);
  }
}

/**
 * Runs a parsed template over `data`.
 * @throws TemplateError in Go's words.
 */
export function evaluate(template: Template, data: Value, options: EvaluateOptions): string {
  const evaluator = new Evaluator(template, options, data);
  evaluator.walk(template.body, data);
  return evaluator.output;
}
