  // Sites, if there are several. A cell is touched only if its text differs.

  function newSiteRow(body) {
    const row = body.appendChild(document.createElement('tr'));
    row.setAttribute('role', 'row');
    const name = row.appendChild(document.createElement('th'));
    name.setAttribute('role', 'rowheader');
    name.scope = 'row';
    name.append(document.createElement('bdi'));
    for (const label of [null, 'position', 'lag', 'members', 'last batch']) {
      const cell = row.appendChild(document.createElement('td'));
      cell.setAttribute('role', 'cell');
      if (label) cell.dataset.label = label;
    }
    return row;
  }

  function showSites() {
    const sites = now.sites ?? [];
    $('all-sites').hidden = sites.length === 0;
    const body = $('sites').tBodies[0];
    while (body.rows.length > sites.length) body.deleteRow(-1);
    sites.forEach((site, index) => {
      const isKnown = site.position !== null;
      const texts = [
        site.name === now.site.name ? `${site.name} (this site)` : site.name,
        site.state,
        isKnown ? numbers.format(site.position) : 'not known',
        isKnown ? count(site.lag, 'entry', 'entries') : 'not known',
        `${numbers.format(site.online)} of ${numbers.format(site.members)} online`,
        `${duration(Math.floor(site.last_batch_s))} ago`,
      ];
      const row = body.rows[index] ?? newSiteRow(body);
      texts.forEach((text, column) => {
        const cell = row.cells[column];
        const place = column === 0 ? cell.firstElementChild : cell;
        if (place.textContent !== text) put(place, text);
      });
      row.cells[1].className = `state ${site.state === 'live' ? 'online' : 'offline'}`;
    });
  }

  function engineInWords() {
    const { engine, lag, waiting_requests: waiting } = now.site;
    const reach = engine.connected ? `led by ${engine.leader || 'nobody'}` : 'not in reach';
    return `In the engine, ${reach}. ${count(waiting, 'request waits', 'requests wait')
      } for it. ${count(lag, 'entry is', 'entries are')} not read.`;
  }

