/** A `--chmod`: an octal mode, or symbolic changes of the mode that a file has. */
export type ModeChange = { readonly octal: number } | { readonly clauses: readonly ModeClause[] };

interface ModeClause {
  /** Bits of the mode that `who` means. */
  readonly mask: number;
  readonly operator: '+' | '-' | '=';
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  /** `X`: execution for directories and for what somebody may execute already. */
  readonly conditional: boolean;
  readonly special: boolean;
  readonly sticky: boolean;
  /** Copies the bits of one of the three: `g=u`. */
  readonly like: 'u' | 'g' | 'o' | undefined;
}

/** Reads octal digits or `u+x,go-w`. Throws an Error in BuildKit's words. */
export function parseModeChange(text: string): ModeChange {
  if (/^[0-7]{1,5}$/.test(text)) {
    const octal = Number.parseInt(text, 8);
    if (octal <= 0o7777) return { octal };
  }
  const clauses = text.split(',').flatMap((part) => clausesOf(part, text));
  return { clauses };
}

function clausesOf(part: string, whole: string): ModeClause[] {
  const match = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/.exec(part);
  if (!match) {
    throw new Error(
      `invalid chmod parameter: '${whole}'. it should be octal string and between 0 and 07777, or symbolic as u+x,go-w`,
    );
  }
  const who = match[1] === '' ? 'a' : (match[1] ?? 'a');
  const all = who.includes('a');
  let mask = 0;
  if (all || who.includes('u')) mask |= 0o4700;
  if (all || who.includes('g')) mask |= 0o2070;
  if (all || who.includes('o')) mask |= 0o0007;
  return [...(match[2] ?? '').matchAll(/([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g)].map(
    ([, operator, what = '']) => ({
      mask,
      operator: operator as ModeClause['operator'],
      read: what.includes('r'),
      write: what.includes('w'),
      execute: what.includes('x'),
      conditional: what.includes('X'),
      special: what.includes('s'),
      sticky: what.includes('t'),
      like: what === 'u' || what === 'g' || what === 'o' ? what : undefined,
    }),
  );
}

/** The permission bits after the change. `isDirectory` counts for `X`. */
export function changedMode(change: ModeChange, mode: number, isDirectory: boolean): number {
  if ('octal' in change) return change.octal;
  let result = mode & 0o7777;
  for (const clause of change.clauses) {
    const bits = bitsOf(clause, result, isDirectory);
    if (clause.operator === '+') result |= bits;
    else if (clause.operator === '-') result &= ~bits;
    else {
      // A directory keeps its set-id bits unless they are named, as chmod has it.
      const kept = isDirectory ? clause.mask & 0o0777 : clause.mask;
      result = (result & ~kept) | bits;
    }
  }
  return result;
}

function bitsOf(clause: ModeClause, mode: number, isDirectory: boolean): number {
  let bits = 0;
  if (clause.like !== undefined) {
    const shift = { u: 6, g: 3, o: 0 }[clause.like];
    bits = ((mode >> shift) & 7) * 0o111;
  } else {
    if (clause.read) bits |= 0o444;
    if (clause.write) bits |= 0o222;
    const executes = clause.execute || (clause.conditional && (isDirectory || (mode & 0o111) !== 0));
    if (executes) bits |= 0o111;
    if (clause.special) bits |= 0o6000;
  }
  return (bits & clause.mask) | (clause.sticky ? 0o1000 : 0);
}
