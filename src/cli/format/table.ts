/**
 * Aligns text whose cells end with tabs, by the rules of Go's text/tabwriter with docker's numbers: a column is
 * at least 10 wide, three spaces apart, and reaches over the neighbouring lines that have a cell in it.
 */
const MIN_WIDTH = 10;
const PADDING = 3;

const cellWidth = (text: string): number => [...text].length;

/** Lines of cells; the last cell of a line ends with the line and not with a tab. */
type Grid = readonly (readonly string[])[];

export interface TableStyle {
  readonly minWidth: number;
  readonly padding: number;
}

function layout(
  grid: Grid,
  from: number,
  to: number,
  indent: string,
  column: number,
  style: TableStyle,
): string[] {
  const lines: string[] = [];
  let row = from;
  while (row < to) {
    const cells = grid[row]!;
    if (column >= cells.length - 1) {
      lines.push(indent + (cells[column] ?? ''));
      row++;
      continue;
    }
    let end = row;
    let width = style.minWidth;
    while (end < to && column < grid[end]!.length - 1) {
      width = Math.max(width, cellWidth(grid[end]![column]!) + style.padding);
      end++;
    }
    // Cells of this column differ, so each line is laid out with its own text but the common width; the columns
    // to the right are laid out over the whole block.
    const rest = layout(grid, row, end, '', column + 1, style);
    for (let index = row; index < end; index++) {
      const cell = grid[index]![column]!;
      lines.push(indent + cell + ' '.repeat(width - cellWidth(cell)) + rest[index - row]!);
    }
    row = end;
  }
  return lines;
}

/** Aligns the tab-separated cells of `text`; lines without tabs stay as they are. */
export function alignTabs(
  text: string,
  style: TableStyle = { minWidth: MIN_WIDTH, padding: PADDING },
): string {
  if (text === '') return '';
  const endsWithNewline = text.endsWith('\n');
  const lines = (endsWithNewline ? text.slice(0, -1) : text).split('\n');
  const grid = lines.map((line) => line.split('\t'));
  return layout(grid, 0, grid.length, '', 0, style).join('\n') + (endsWithNewline ? '\n' : '');
}
