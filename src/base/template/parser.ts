import { lex, syntaxError, type TemplateSyntaxError, type Token, type TokenKind } from './lexer.ts';
import { parseNumber, unquote } from './literals.ts';
import type { Call, Node, Operand, Pipe, Template } from './nodes.ts';

const OPERAND_KINDS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'identifier',
  'field',
  'variable',
  'string',
  'char',
  'number',
  'bool',
  'nil',
  'dot',
  'left',
]);

class Parser {
  readonly named = new Map<string, readonly Node[]>();
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #functions: ReadonlySet<string>;
  readonly #scopes: string[] = ['$'];
  #position = 0;
  #loops = 0;

  constructor(source: string, functions: ReadonlySet<string>) {
    this.#source = source;
    this.#tokens = lex(source);
    this.#functions = functions;
  }

  #peek(): Token {
    return this.#tokens[this.#position]!;
  }

  #next(): Token {
    return this.#tokens[this.#position++] ?? this.#tokens.at(-1)!;
  }

  #skipSpace(): Token {
    while (this.#peek().kind === 'space') this.#position++;
    return this.#peek();
  }

  #fail(token: Token, reason: string): TemplateSyntaxError {
    return syntaxError(this.#source, token.at, reason);
  }

  #unexpected(token: Token, context: string): TemplateSyntaxError {
    const shown = token.kind === 'end' ? 'EOF' : token.kind === 'close' ? '"}}"' : `<${token.text}>`;
    return this.#fail(token, `unexpected ${shown} in ${context}`);
  }

  #expectClose(context: string): void {
    const token = this.#skipSpace();
    if (token.kind !== 'close') throw this.#unexpected(token, context);
    this.#next();
  }

  /** Reads nodes up to `{{end}}` or `{{else…}}`, which it leaves to the caller, or the end at the top. */
  list(top: boolean): Node[] {
    const nodes: Node[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === 'text') {
        nodes.push({ kind: 'text', text: token.text });
        continue;
      }
      if (token.kind === 'end') {
        if (!top) throw this.#fail(token, 'unexpected EOF');
        return nodes;
      }
      const first = this.#skipSpace();
      if (first.kind === 'keyword' && (first.text === 'end' || first.text === 'else')) {
        if (top) throw this.#fail(first, `unexpected {{${first.text}}}`);
        return nodes;
      }
      const node = this.#action(first);
      if (node !== undefined) nodes.push(node);
    }
  }

  #action(first: Token): Node | undefined {
    if (first.kind !== 'keyword') {
      const pipe = this.#pipe('command', 'close');
      return { kind: 'action', pipe };
    }
    this.#next();
    switch (first.text) {
      case 'if':
      case 'with':
      case 'range':
        return this.#control(first.text);
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw this.#fail(first, `{{${first.text}}} outside {{range}}`);
        this.#expectClose(first.text);
        return { kind: first.text };
      case 'define':
        this.#define(first);
        return undefined;
      default:
        return this.#template(first);
    }
  }

  #control(kind: 'if' | 'with' | 'range'): Node {
    const scope = this.#scopes.length;
    const pipe = this.#pipe(kind, 'close');
    if (kind === 'range') this.#loops++;
    const body = this.list(false);
    if (kind === 'range') this.#loops--;
    let otherwise: Node[] = [];
    if (this.#next().text === 'else') {
      const token = this.#skipSpace();
      if (token.kind === 'keyword' && token.text === kind && kind !== 'range') {
        this.#next();
        // `{{else if}}` shares the `{{end}}` of the whole.
        otherwise = [this.#control(kind)];
        this.#scopes.length = scope;
        return { kind, pipe, body, otherwise };
      }
      this.#expectClose('else');
      otherwise = this.list(false);
      const end = this.#next();
      if (end.text !== 'end') throw this.#fail(end, 'expected end; found {{else}}');
    }
    this.#expectClose('end');
    this.#scopes.length = scope;
    return { kind, pipe, body, otherwise };
  }

  #name(first: Token): string {
    const token = this.#skipSpace();
    if (token.kind !== 'string') throw this.#unexpected(token, `${first.text} clause`);
    this.#next();
    return unquote(token.text);
  }

  #define(first: Token): void {
    const name = this.#name(first);
    this.#expectClose('define clause');
    const saved = this.#scopes.splice(1);
    this.named.set(name, this.list(false));
    this.#scopes.push(...saved);
    this.#next();
    this.#expectClose('end');
  }

  #template(first: Token): Node {
    const name = this.#name(first);
    const at = { at: first.at, source: first.text };
    let pipe: Pipe | undefined;
    if (this.#skipSpace().kind === 'close') this.#next();
    else pipe = this.#pipe(first.text, 'close');
    if (first.text === 'block') {
      const saved = this.#scopes.splice(1);
      this.named.set(name, this.list(false));
      this.#scopes.push(...saved);
      this.#next();
      this.#expectClose('end');
    }
    return { kind: 'template', name, pipe, at };
  }

  #pipe(context: string, end: 'close' | 'right'): Pipe {
    const start = this.#skipSpace();
    const declared = this.#declarations(context);
    const calls: Call[] = [];
    for (;;) {
      const token = this.#skipSpace();
      if (token.kind === end) break;
      if (!OPERAND_KINDS.has(token.kind)) throw this.#unexpected(token, context);
      calls.push(this.#call(context));
    }
    const close = this.#next();
    if (calls.length === 0) throw this.#fail(close, `missing value for ${context}`);
    for (const call of calls.slice(1)) {
      const kind = call.operands[0]!.kind;
      if (kind === 'literal' || kind === 'dot' || kind === 'nil') {
        throw this.#fail(close, `non executable command in pipeline stage ${calls.indexOf(call) + 1}`);
      }
    }
    if (!declared.assigns) this.#scopes.push(...declared.variables);
    return { ...declared, calls, at: start.at, source: this.#source.slice(start.at, close.at).trim() };
  }

  /** Reads `$x :=`, `$i, $x :=` or `$x =` when the pipeline begins so. */
  #declarations(context: string): { variables: string[]; assigns: boolean } {
    const saved = this.#position;
    const variables: string[] = [];
    for (let token = this.#skipSpace(); token.kind === 'variable'; token = this.#skipSpace()) {
      this.#next();
      variables.push(token.text);
      const after = this.#skipSpace();
      if (after.kind === 'declare' || after.kind === 'assign') {
        this.#next();
        const assigns = after.kind === 'assign';
        if (assigns && !this.#scopes.includes(token.text)) {
          throw this.#fail(token, `undefined variable "${token.text}"`);
        }
        return { variables, assigns };
      }
      if (after.kind !== 'comma' || context !== 'range' || variables.length > 1) break;
      this.#next();
    }
    this.#position = saved;
    return { variables: [], assigns: false };
  }

  #call(context: string): Call {
    const start = this.#skipSpace();
    const operands: Operand[] = [];
    let end = start.at;
    for (;;) {
      const token = this.#skipSpace();
      if (OPERAND_KINDS.has(token.kind)) {
        operands.push(this.#operand());
        end = this.#peek().at;
        const after = this.#peek().kind;
        if (after === 'space') continue;
        if (after !== 'pipe' && after !== 'close' && after !== 'right')
          throw this.#unexpected(this.#peek(), 'operand');
      }
      const stop = this.#skipSpace();
      if (stop.kind === 'pipe') {
        this.#next();
        const next = this.#skipSpace();
        if (!OPERAND_KINDS.has(next.kind)) throw this.#fail(next, `missing value for ${context}`);
      } else if (stop.kind !== 'close' && stop.kind !== 'right') {
        throw this.#unexpected(stop, 'operand');
      }
      break;
    }
    return { operands, at: operands[0]!.at, source: this.#source.slice(start.at, end) };
  }

  #operand(): Operand {
    const token = this.#next();
    const base = this.#term(token);
    const names: string[] = [];
    let at = token.at;
    if (this.#peek().kind === 'field') at = this.#peek().at;
    while (this.#peek().kind === 'field') names.push(this.#next().text.slice(1));
    const source = this.#source.slice(token.at, this.#peek().at);
    if (names.length === 0) return base;
    // The place of a chain is that of its second part: Go's parser makes it so, and it shows in messages.
    if (base.kind === 'field' || base.kind === 'variable' || base.kind === 'chain') {
      return { ...base, names: [...base.names, ...names], at, source };
    }
    if (base.kind === 'dot') return { kind: 'field', names, at, source };
    throw this.#fail(token, `unexpected . after term ${JSON.stringify(token.text)}`);
  }

  #term(token: Token): Operand {
    const { at, text: source } = token;
    switch (token.kind) {
      case 'dot':
      case 'nil':
        return { kind: token.kind, at, source };
      case 'field':
        return { kind: 'field', names: [source.slice(1)], at, source };
      case 'variable':
        if (!this.#scopes.includes(source)) throw this.#fail(token, `undefined variable "${source}"`);
        return { kind: 'variable', name: source, names: [], at, source };
      case 'string':
        return { kind: 'literal', value: unquote(source), at, source };
      case 'char':
      case 'number':
        return {
          kind: 'literal',
          value: parseNumber(source, () => this.#fail(token, `bad number syntax: "${source}"`)),
          at,
          source,
        };
      case 'bool':
        return { kind: 'literal', value: source === 'true', at, source };
      case 'identifier':
        if (!this.#functions.has(source)) throw this.#fail(token, `function "${source}" not defined`);
        return { kind: 'function', name: source, at, source };
      default: {
        const pipe = this.#pipe('parenthesized pipeline', 'right');
        return { kind: 'chain', pipe, names: [], at, source: this.#source.slice(at, this.#peek().at) };
      }
    }
  }
}

/**
 * Parses a Go template that may call the functions named.
 * @throws TemplateSyntaxError in Go's words: `template: :1: unclosed action`.
 */
export function parseTemplate(source: string, functions: ReadonlySet<string>): Template {
  const parser = new Parser(source, functions);
  const body = parser.list(true);
  return { source, body, named: parser.named };
}
