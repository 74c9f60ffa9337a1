/** Where everybody can have a mailbox: an address there says nothing of who somebody works for. */
const CONSUMER_DOMAINS: ReadonlySet<string> = new Set(
  `
  gmail.com googlemail.com outlook.com hotmail.com live.com msn.com passport.com windowslive.com
  icloud.com me.com mac.com yahoo.com ymail.com rocketmail.com myyahoo.com aol.com aim.com verizon.net
  proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tutamail.com tuta.com tuta.io
  keemail.me fastmail.com fastmail.fm hey.com hushmail.com mail.com email.com usa.com post.com
  zoho.com zohomail.com zohomail.eu inbox.com gmx.com gmx.us mailbox.org posteo.de posteo.net
  disroot.org riseup.net startmail.com mailfence.com runbox.com skiff.com duck.com mozmail.com
  privaterelay.appleid.com simplelogin.com

  outlook.at outlook.be outlook.cl outlook.co.id outlook.co.th outlook.com.ar outlook.com.au
  outlook.com.br outlook.com.gr outlook.com.tr outlook.com.vn outlook.cz outlook.de outlook.dk
  outlook.es outlook.fr outlook.hu outlook.ie outlook.in outlook.it outlook.jp outlook.kr outlook.lv
  outlook.my outlook.ph outlook.pt outlook.sa outlook.sg outlook.sk
  hotmail.be hotmail.ca hotmail.ch hotmail.cl hotmail.co.il hotmail.co.jp hotmail.co.nz
  hotmail.co.th hotmail.co.uk hotmail.co.za hotmail.com.ar hotmail.com.au hotmail.com.br
  hotmail.com.mx hotmail.com.tr hotmail.cz hotmail.de hotmail.dk hotmail.es hotmail.fi hotmail.fr
  hotmail.gr hotmail.hu hotmail.it hotmail.nl hotmail.no hotmail.se
  live.at live.be live.ca live.cl live.cn live.co.uk live.co.za live.com.ar live.com.au live.com.mx
  live.com.pt live.com.sg live.de live.dk live.fi live.fr live.hk live.ie live.in live.it live.jp
  live.nl live.no live.ru live.se
  yahoo.at yahoo.be yahoo.ca yahoo.ch yahoo.cl yahoo.cn yahoo.co.id yahoo.co.il yahoo.co.in
  yahoo.co.jp yahoo.co.kr yahoo.co.nz yahoo.co.th yahoo.co.uk yahoo.co.za yahoo.com.ar yahoo.com.au
  yahoo.com.br yahoo.com.cn yahoo.com.co yahoo.com.hk yahoo.com.mx yahoo.com.my yahoo.com.ph
  yahoo.com.sg yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.cz yahoo.de yahoo.dk yahoo.es yahoo.fi
  yahoo.fr yahoo.gr yahoo.hu yahoo.ie yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.pt yahoo.ro
  yahoo.se

  gmx.at gmx.ch gmx.de gmx.eu gmx.fr gmx.net web.de t-online.de freenet.de arcor.de mail.de
  vodafonemail.de email.de online.de freemail.de 1und1.de
  aon.at chello.at bluewin.ch hispeed.ch sunrise.ch
  orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr numericable.fr aliceadsl.fr
  club-internet.fr voila.fr
  libero.it virgilio.it tiscali.it alice.it tin.it tim.it iol.it inwind.it email.it fastwebnet.it
  telefonica.net terra.es ono.com ya.com sapo.pt mail.telepac.pt clix.pt
  btinternet.com btopenworld.com bt.com sky.com virginmedia.com ntlworld.com blueyonder.co.uk
  talktalk.net tiscali.co.uk o2.co.uk plusnet.com eircom.net
  ziggo.nl kpnmail.nl planet.nl home.nl hetnet.nl xs4all.nl upcmail.nl telenet.be skynet.be
  proximus.be voo.be
  telia.com tele2.se bredband.net comhem.se spray.se online.no getmail.no mail.dk jubii.dk ofir.dk
  kolumbus.fi elisanet.fi suomi24.fi luukku.com
  wp.pl o2.pl onet.pl onet.eu interia.pl interia.eu op.pl vp.pl tlen.pl gazeta.pl poczta.fm
  seznam.cz email.cz centrum.cz atlas.cz post.cz volny.cz azet.sk zoznam.sk centrum.sk
  freemail.hu citromail.hu t-online.hu abv.bg mail.bg dir.bg net.hr inet.hr siol.net
  mail.ru bk.ru inbox.ru list.ru internet.ru yandex.ru yandex.com ya.ru rambler.ru yandex.kz yandex.by
  ukr.net i.ua meta.ua bigmir.net inbox.lv mail.ee otenet.gr mynet.com walla.com walla.co.il
  qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn
  wo.cn 21cn.com tom.com naver.com daum.net hanmail.net nate.com kakao.com
  docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp i.softbank.jp nifty.com biglobe.ne.jp ocn.ne.jp
  so-net.ne.jp excite.co.jp goo.jp pchome.com.tw hinet.net seed.net.tw netvigator.com singnet.com.sg
  rediffmail.com indiatimes.com sify.com bsnl.in
  uol.com.br bol.com.br terra.com.br ig.com.br globo.com globomail.com r7.com oi.com.br zipmail.com.br
  fibertel.com.ar arnet.com.ar speedy.com.ar ciudad.com.ar prodigy.net.mx une.net.co
  comcast.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com
  optonline.net frontier.com windstream.net centurylink.net roadrunner.com rr.com netzero.net
  rogers.com shaw.ca sympatico.ca bell.net telus.net videotron.ca cogeco.ca
  bigpond.com bigpond.net.au optusnet.com.au iinet.net.au tpg.com.au internode.on.net xtra.co.nz
  telkomsa.net mweb.co.za webmail.co.za vodamail.co.za
  `
    .trim()
    .split(/\s+/),
);

/** Whether mailboxes at a domain are for everybody. */
export function isConsumerDomain(name: string): boolean {
  return CONSUMER_DOMAINS.has(name);
}
