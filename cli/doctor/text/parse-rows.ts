// Rows that a program of iproute2 prints as JSON. Pure.

/** None for a text that is no list: older releases print objects, or JSON that is broken. */
export function parseRows(text: string | undefined): readonly unknown[] {
  try {
    const rows: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(rows) ? rows : [];
  } catch {
    return [];
  }
}
