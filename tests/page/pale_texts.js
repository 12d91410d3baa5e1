// Returns the texts of the page whose contrast to their background is too low: WCAG 2, AA.
const parts = (color) => {
  const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
  return { rgb: [red, green, blue], alpha };
};
const luminance = (rgb) => {
  const [red, green, blue] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const back = (element) => {
  for (let it = element; it; it = it.parentElement) {
    const { rgb, alpha } = parts(getComputedStyle(it).backgroundColor);
    if (alpha === 1) return rgb;
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll('body *')) {
  const hasText = [...element.childNodes].some((it) => it.nodeType === 3 && it.data.trim() !== '');
  if (!hasText || !element.checkVisibility() || element.closest('.hidden, noscript')) continue;
  const style = getComputedStyle(element);
  const [text, behind] = [luminance(parts(style.color).rgb), luminance(back(element))];
  const contrast = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (contrast < (isLarge ? 3 : 4.5)) {
    found.push(`${element.localName}#${element.id} ${contrast.toFixed(2)}: ${element.textContent}`);
  }
}
return found;
