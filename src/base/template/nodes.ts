/** The tree of a parsed template. `at` is an offset in the template, `source` the text of the expression. */
export interface Located {
  readonly at: number;
  readonly source: string;
}

export type Operand =
  | (Located & { readonly kind: 'dot' })
  | (Located & { readonly kind: 'nil' })
  | (Located & { readonly kind: 'literal'; readonly value: string | number | bigint | boolean })
  /** `.A.B` from the current dot. */
  | (Located & { readonly kind: 'field'; readonly names: readonly string[] })
  /** `$x.A.B`. */
  | (Located & { readonly kind: 'variable'; readonly name: string; readonly names: readonly string[] })
  /** `(pipeline).A.B`. */
  | (Located & { readonly kind: 'chain'; readonly pipe: Pipe; readonly names: readonly string[] })
  | (Located & { readonly kind: 'function'; readonly name: string });

/** Operands side by side: the first may be a function or a method, the rest its arguments. */
export interface Call extends Located {
  readonly operands: readonly Operand[];
}

export interface Pipe extends Located {
  /** Variables on the left of `:=` or `=`. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly calls: readonly Call[];
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | {
      readonly kind: 'template';
      readonly name: string;
      readonly pipe: Pipe | undefined;
      readonly at: Located;
    }
  | { readonly kind: 'break' }
  | { readonly kind: 'continue' };

export interface Template {
  readonly source: string;
  readonly body: readonly Node[];
  /** Templates made by `define` and `block`. */
  readonly named: ReadonlyMap<string, readonly Node[]>;
}
