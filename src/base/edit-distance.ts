/** Number of single-character edits between two words; swapped neighbours count as one (optimal string alignment). */
function editDistance(left: string, right: string): number {
  let before: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const substitution = row[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1);
      let best = Math.min(substitution, row[j]! + 1, next[j - 1]! + 1);
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (swapped) best = Math.min(best, before[j - 2]! + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[right.length]!;
}

/** The candidates that `word` may have meant, nearest first: at most two edits away, or a prefix. */
export function suggestions(word: string, candidates: Iterable<string>): string[] {
  const lower = word.toLowerCase();
  const found: Array<[number, string]> = [];
  for (const candidate of candidates) {
    const distance = editDistance(lower, candidate.toLowerCase());
    const near = distance <= 2 && distance < Math.max(candidate.length, lower.length) - 1;
    if (near || (lower.length > 1 && candidate.toLowerCase().startsWith(lower)))
      found.push([distance, candidate]);
  }
  found.sort((a, b) => a[0] - b[0] || a[1].localeCompare(b[1]));
  return found.slice(0, 3).map(([, candidate]) => candidate);
}
