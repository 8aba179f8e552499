"""Short forms of given names.

Source: a list of common English and a few western European short forms, written by hand for this workbook from
general knowledge of names; it follows no published list and claims no completeness. A short form that stands for
several names is listed under the one that is most frequent, so that each name has exactly one group.
"""

from __future__ import annotations

_GROUPS = """
alexander alex sandy sasha alec
alexandra alexa lexi
andrew andy drew
anthony tony
barbara barb babs
benjamin ben benny benji
catherine cathy kate katie cate katherine kathryn kathy kat kitty
charles charlie chuck chas
christopher chris kit topher
christina tina chrissy christine christiana
daniel dan danny
david dave davey
deborah deb debbie debra
donald don donny
dorothy dot dottie
edward ed eddie ted ned
elizabeth liz beth betty lizzie eliza libby elisabeth
emily em emmy
eugene gene
frances fran fanny
francis frank franky
frederick fred freddie
gabriel gabe
gerald gerry jerry
gregory greg
harold harry hal
henry hank
isabella bella izzy isabelle isabel
jacob jake
jacqueline jackie
james jim jimmy jamie
janet jan
jeffrey jeff geoffrey geoff
jennifer jen jenny jenn
jessica jess jessie
john johnny jack jon
jonathan jonny
joseph joe joey jo
joshua josh
judith judy
julia julie jules
kenneth ken kenny
kimberly kim
lawrence larry laurence
leonard len lenny leo
louis lou louie
margaret maggie meg peggy marge greta
martin marty
matthew matt matty matthias
megan meggie
michael mike mick mickey michel
michelle shelly
mohammed mohd mohamed mohammad muhammad
nathaniel nathan nate
nicholas nick nicky nicolas
nicole nikki
olivia liv livvy
pamela pam
patricia pat patty trish tricia
patrick paddy
peter pete
philip phil phillip
rachel rach
raymond ray
rebecca becky becca
richard rick dick rich ricky richie
robert bob rob bobby robbie bert
roger rodge
ronald ron ronnie
russell russ
samantha sam sammy
samuel samual
sarah sally sara
stephanie steph
stephen steve steven stefan
susan sue suzie susanne suzanne
theodore theo teddy
theresa terry tess teresa
thomas tom tommy
timothy tim timmy
valerie val
victoria vicky tori
vincent vince vinny
virginia ginny
walter walt wally
william bill will billy willy liam
zachary zach zack
"""

CANONICAL: dict[str, str] = {
    name: group[0] for line in _GROUPS.split("\n") if (group := line.split()) for name in group
}
"""Name or short form → the long form that stands for its group."""
