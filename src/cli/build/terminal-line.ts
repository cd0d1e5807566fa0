/** A line without what moves the cursor or colours: a carriage return leaves what came after it. */
export function cleanLine(line: string): string {
  const last = Bun.stripANSI(line).replace(/\r+$/, '').split('\r').at(-1)!;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would move the cursor
  return last.replaceAll('\t', '    ').replace(/[\x00-\x1f\x7f-\x9f]/g, '');
}

/** Cuts a line so that it takes at most `width` columns. */
export function fitLine(line: string, width: number): string {
  if (Bun.stringWidth(line) <= width) return line;
  let cut = '';
  let columns = 0;
  for (const character of line) {
    columns += Bun.stringWidth(character);
    if (columns > width - 1) break;
    cut += character;
  }
  return `${cut}…`;
}
