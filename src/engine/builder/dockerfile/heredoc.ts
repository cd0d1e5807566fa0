/** The beginning of a here-document in an instruction: `<<EOF`, `<<-"EOF"`. */
export interface HeredocMark {
  readonly name: string;
  readonly expand: boolean;
  /** `<<-`: tabs before each line go. */
  readonly chomp: boolean;
  /** Where it stands in the text. */
  readonly start: number;
  readonly end: number;
}

/** The marks in a text, outside of quotes, in order. `<<<` (a here-string) is none. */
export function heredocsIn(text: string): HeredocMark[] {
  const marks: HeredocMark[] = [];
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const char = text[index] ?? '';
    if (quote !== '') {
      if (char === '\\' && quote === '"') index++;
      else if (char === quote) quote = '';
      continue;
    }
    if (char === '\\') index++;
    else if (char === '"' || char === "'") quote = char;
    else if (text.startsWith('<<<', index)) index += 2;
    else if (text.startsWith('<<', index)) {
      // Only a word of its own is a mark, with a descriptor's number at most: `x<<2` is a shift.
      if (!/(?:^|\s)\d*$/.test(text.slice(Math.max(0, index - 8), index))) continue;
      const match = /^<<(-?)(?:"([^"\s]+)"|'([^'\s]+)'|([^\s"'<>();&|$`]+))/.exec(
        text.slice(index, index + 1024),
      );
      if (!match) continue;
      const quoted = match[2] ?? match[3];
      const end = index + match[0].length;
      marks.push({
        name: quoted ?? match[4] ?? '',
        expand: quoted === undefined,
        chomp: match[1] === '-',
        start: index,
        end,
      });
      index = end - 1;
    }
  }
  return marks;
}

/** True for a word of COPY and ADD that stands for a here-document. */
export function isHeredocWord(word: string): boolean {
  return /^<<-?["']?[\w.-]/.test(word);
}
