// Lays tiles out as large as they fit: the number of columns that gives the widest 16:9 tiles.

const GAP = 12;
const SMALLEST = 360;

/** Keeps the layout of `grid` right while its size and its tiles change. */
export function layOut(grid) {
  const update = () => {
    const count = grid.children.length;
    if (count === 0) return;
    const { width, height } = grid.parentElement.getBoundingClientRect();
    const style = getComputedStyle(grid.parentElement);
    const innerWidth = width - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const innerHeight = height - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const tile = widestTile(innerWidth, innerHeight, count);
    grid.style.setProperty('--tile', `${Math.floor(tile)}px`);
  };
  const observer = new ResizeObserver(update);
  observer.observe(grid.parentElement);
  const changes = new MutationObserver(update);
  changes.observe(grid, { childList: true });
  return () => {
    observer.disconnect();
    changes.disconnect();
  };
}

export function widestTile(width, height, count) {
  let widest = 0;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - GAP * (columns - 1)) / columns;
    const byHeight = ((height - GAP * (rows - 1)) / rows) * (16 / 9);
    widest = Math.max(widest, Math.min(byWidth, byHeight));
  }
  // Rather scroll than shrink to stamps; on a phone a tile is as wide as the screen.
  return Math.min(width, Math.max(widest, SMALLEST));
}
