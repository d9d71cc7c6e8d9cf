// A classic script, run before the first paint: the remembered theme must not flash in late.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('nsqadmin.theme');
  } catch {
    // Storage may be forbidden; the system's theme then holds.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
