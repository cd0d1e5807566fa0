/**
 * The test of `images --filter reference=…`: a shell pattern against the familiar name, with or without its tag
 * (path.Match of Go: `*` and `?` do not cross a slash).
 */
export function referenceMatcher(pattern: string): (reference: string) => boolean {
  const expression = new RegExp(`^${translate(pattern)}$`);
  return (reference) => expression.test(reference) || expression.test(withoutTag(reference));
}

function withoutTag(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
}

function translate(pattern: string): string {
  return pattern.replace(/\[[^\]]*\]|\\.|[*?]|[^*?[\\]+|[[\\]/g, (part) => {
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    if (part.startsWith('[') && part.length > 2) return part.replaceAll('\\', '\\\\');
    return (part.startsWith('\\') ? part.slice(1) : part).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
}
